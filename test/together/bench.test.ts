import '../bench/arguments.test.js';
import '../bench/build.test.js';
import '../bench/compare.test.js';
import '../bench/model.test.js';
import '../bench/pictures.test.js';
import '../bench/quiet.test.js';
import '../bench/rounds.test.js';
import '../bench/statistics.test.js';
