import '../cli/demo.test.js';
import '../cli/doctor/command.test.js';
import '../cli/doctor/environment.test.js';
import '../cli/top/command.test.js';
import '../cli/top/figures.test.js';
import '../cli/top/frame.test.js';
import '../cli/top/sample.test.js';
