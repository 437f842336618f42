import '../backend/definition.test.js';
import '../caller-stack.test.js';
import '../debug-log.test.js';
import '../pool/process-exit.test.js';
import '../pool/socket-takeovers.test.js';
import '../pool/wait-alone.test.js';
import '../pool/watching/leak-stack.test.js';
import '../process-warning.test.js';
