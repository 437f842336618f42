'use strict';

/**
 * The file that piscina requires in the wait thread; it imports the module of the session. Not an ES module
 * itself: where a thread ends while it requires one, Node 20 aborts the process, and a thread ends at any moment
 * with the process. An `import()` can be cut off.
 */
module.exports = async ({ moduleUrl, task }) => (await import(moduleUrl)).default(task);
