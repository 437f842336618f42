import '../pool/features/hello.test.js';
import '../pool/features/own-errors.test.js';
import '../pool/features/refusals.test.js';
import '../pool/features/retries.test.js';
import '../pool/features/stats.test.js';
import '../pool/features/throwing-members.test.js';
import '../pool/features/tokens.test.js';
