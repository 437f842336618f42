import '../pool/features/async-context.test.js';
import '../pool/features/detached.test.js';
import '../sharing/claim-words.test.js';
import '../sharing/claims.test.js';
import '../sharing/detached.test.js';
import '../sharing/faults.test.js';
import '../sharing/port.test.js';
import '../sharing/random.test.js';
