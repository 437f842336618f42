import '../http/clients.test.js';
import '../http/create-connection.test.js';
import '../http/http-agent.test.js';
import '../http/undici.test.js';
