import '../endpoint-cache/answers.format.test.js';
import '../endpoint-cache/answers.test.js';
import '../endpoint-cache/endpoint-file.test.js';
import '../endpoint-cache/processes.test.js';
import '../os/private-file.test.js';
