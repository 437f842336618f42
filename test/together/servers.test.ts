import '../backend/listening.test.js';
import '../testing/crashes.test.js';
import '../testing/systems.test.js';
