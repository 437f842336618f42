import '../cli/admin.test.js';
import '../cli/demo.test.js';
import '../cli/endpoint.test.js';
import '../cli/main.test.js';
