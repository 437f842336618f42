import '../pool/endpoint-file/answers.test.js';
import '../pool/endpoint-file/endpoint-file.test.js';
import '../pool/endpoint-file/format.test.js';
import '../pool/endpoint-file/private-file.test.js';
