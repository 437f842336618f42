import '../hostile/quiet.test.js';
import '../hostile/token-memory.test.js';
import '../hostile/process-faults.test.js';
import '../pool/outage.test.js';
import '../pool/features/stalls.test.js';
