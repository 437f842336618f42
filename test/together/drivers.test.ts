import '../negotiation/drivers.test.js';
import '../negotiation/sockets/drain-reply.test.js';
