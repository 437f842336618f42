export interface Bug {
  readonly title: string;
  /** The file of the build in which `find` is replaced. */
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

export const BUGS: readonly Bug[] = [
  {
    title: 'a skipped close: the wait thread forgets descriptors that it should close',
    file: 'src/negotiation/wait-thread/job-descriptors.js',
    find: 'this.#system.close(active.descriptor);',
    replace: '',
  },
  {
    title: 'a lost wake-up: the wait thread is not told that there is a command',
    file: 'src/negotiation/wait-thread/thread-control.js',
    find: 'wake() {\n        if (!this.#isFree)\n            wakePoller(this.#native.polling, this.#handles);',
    replace: 'wake() {',
  },
  {
    title: 'a missing deadline: the wait thread waits for a missing reply without end',
    file: 'src/negotiation/wait-thread/poll-loop.js',
    find: '        active.dueMs = active.exchange.deadlineMs;\n        this.#due.put(active);',
    replace: '',
  },
  {
    title: 'a token compared after `accepted`: an acceptance with a wrong token counts',
    file: 'src/negotiation/exchange/handshake.js',
    find: 'return same && ack.accepted;',
    replace: 'return ack.accepted;',
  },
  {
    title: 'a waiter settled twice: a served caller stays at the head of the queue',
    file: 'src/pool/acquire-queue.js',
    find: 'serveFirst(connection, connect) {\n        const waiter = this.shift();',
    replace: 'serveFirst(connection, connect) {\n        const waiter = this.first;',
  },
];

/** The code of the bug's file with the bug in it. Throws unless the text to replace is there just once. */
export function planted(code: string, { file, find, replace }: Bug): string {
  if (code.split(find).length !== 2) throw new Error(`${file} does not hold just one of: ${find}`);
  return code.replace(find, () => replace);
}
