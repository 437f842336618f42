import '../negotiation/wait-thread/loading-thread.test.js';
import '../negotiation/wait-thread/worker-death.test.js';
import '../negotiation/wait-thread/worker-failure.test.js';
