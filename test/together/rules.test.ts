import '../hostile/frames.test.js';
import '../pool/model/pool.model.test.js';
import '../wire/frame.memory.test.js';
