import '../pool/endpoint-file/answers.test.js';
import '../pool/endpoint-file/endpoint-file.test.js';
import '../pool/endpoint-file/answers.format.test.js';
import '../os/private-file.test.js';
