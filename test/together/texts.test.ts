import '../documents.test.js';
import '../hostile/documents.test.js';
import '../layers.test.js';
import '../mutations/mutants.test.js';
import '../mutations/selection.test.js';
import '../package-files.test.js';
import '../types/exports.test.js';
import '../types/undefined-options.test.js';
