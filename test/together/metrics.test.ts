import '../metrics/examples.test.js';
import '../metrics/opentelemetry.test.js';
import '../metrics/spans.test.js';
import '../os/runtime.test.js';
