import '../package.test.js';
import '../types/consumer.test.js';
