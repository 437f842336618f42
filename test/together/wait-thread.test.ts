import '../negotiation/hybrid-driver.test.js';
import '../negotiation/partial-send.test.js';
import '../negotiation/sockets/unanswered.test.js';
import '../negotiation/trust.test.js';
import '../negotiation/wait-thread/job-sockets.test.js';
import '../negotiation/wait-thread/submitted-jobs.test.js';
import '../negotiation/wait-thread/worker-crash.test.js';
import '../negotiation/wait-thread/worker-reentry.test.js';
