import '../pool/features/async-context.test.js';
import '../pool/features/detached.test.js';
import '../pool/sharing/detached.test.js';
import '../pool/sharing/faults.test.js';
import '../pool/sharing/port.test.js';
import '../pool/sharing/random.test.js';
