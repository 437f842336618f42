import '../pool/thread-ends.test.js';
import '../sharing/threads.test.js';
import '../sharing/stress.test.js';
