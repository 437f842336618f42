import '../hostile/fault-schedule.test.js';
import '../hostile/pool.test.js';
