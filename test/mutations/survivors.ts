/**
 * Mutants that change nothing a caller could notice, with the reason. A run lists them, but neither runs nor
 * counts them.
 */
export interface KnownSurvivor {
  readonly where: string;
  readonly kind: string;
  readonly before: string;
  readonly reason: string;
}

export const KNOWN_SURVIVORS: readonly KnownSurvivor[] = [
  {
    where: 'copyOf',
    kind: 'condition is false',
    before: 'bytes.length === 0',
    reason: 'An empty copy is the same either way; on the heap of V8 it costs less.',
  },
  {
    where: 'FrameDecoder.#shrink',
    kind: '<= becomes <',
    before: 'held * 4 <= this.#buffer.length',
    reason: 'Decides about memory alone, for one length of the rest.',
  },
  {
    where: 'FrameDecoder.#makeRoom',
    kind: '- becomes +',
    before: 'this.#end - this.#start',
    reason: 'Reserves up to twice as much; the bytes are the same.',
  },
  {
    where: 'Capacity.leaveLine',
    kind: '&& becomes ||',
    before: 'this.#line.delete(user) && this.#used < this.#max',
    reason: 'Offers spare slots once more; without a free slot the targets stand in line as before.',
  },
  {
    where: 'Capacity.take',
    kind: 'no call',
    before: 'this.#line.delete(user);',
    reason:
      'A target that has a slot leaves the line by release or leaveLine as well, and keeps its place until then.',
  },
  {
    where: 'HostPort.#close',
    kind: 'other boolean',
    before: 'this.#open = false;',
    reason:
      'A closed port has no leases: a second close finds none, unless the thread takes a descriptor in that moment.',
  },
  {
    where: 'ClientLeases.onGone',
    kind: 'no call',
    before: 'this.#draining.get(connection)?.();',
    reason: 'The drain ends by its own limit, and the pool ignores a message about a lease that has ended.',
  },
  {
    where: 'Pump.onWaiter',
    kind: '> becomes >=',
    before: 'lacking.size > 0',
    reason: 'The pump looks once more, in vain.',
  },
  {
    where: 'JobDescriptors.close',
    kind: '< becomes <=',
    before: 'active.descriptor < 0',
    reason: 'Descriptor 0 is standard input, which Node keeps open.',
  },
  {
    where: 'dialNow',
    kind: '< becomes <=',
    before: 'descriptor < 0',
    reason: 'Descriptor 0 is standard input, which Node keeps open.',
  },
  {
    where: 'connectAndSend',
    kind: '< becomes <=',
    before: 'descriptor < 0',
    reason: 'Descriptor 0 is standard input, which Node keeps open.',
  },
  {
    where: 'PrivateFile.#checkFile',
    kind: 'condition is false',
    before: 'user === undefined',
    reason: 'Only Windows has no user ids.',
  },
  {
    where: 'PrivateFile.#checkDirectory',
    kind: 'condition is false',
    before: 'user === undefined',
    reason: 'Only Windows has no user ids.',
  },
  {
    where: 'loadHandlePassing',
    kind: '=== becomes !==',
    before: "process.platform === 'darwin'",
    reason: 'Chooses the layout of macOS; elsewhere another one is chosen before.',
  },
  {
    where: 'bindPollCalls',
    kind: 'condition is true',
    before: "process.platform !== 'darwin'",
    reason: 'Binds the calls of macOS; Linux returns before.',
  },
  {
    where: 'ThreadRing.#ring',
    kind: '+ becomes -',
    before: "of('cqes') + of('cqEntries') * CQE_BYTES",
    reason: 'The kernel maps whole pages, and the rings fit into one.',
  },
  {
    where: 'WorkerDriver.warm',
    kind: 'condition is false',
    before: 'this.#closing !== undefined || this.#failed',
    reason: 'A thread that was ended begins no session: that of a closed driver ends at once.',
  },
  {
    where: 'PooledSocket.problemOf',
    kind: '|| becomes &&',
    before: 'socket.destroyed || !socket.readable',
    reason: 'The checks of the handle find a socket whose peer has ended as well.',
  },
  {
    where: 'addressOf',
    kind: '> becomes >=',
    before: 'address.length > LONGEST_REMEMBERED_BYTES',
    reason: 'No address of this platform is that long.',
  },
  {
    where: 'ownTrust',
    kind: 'condition is false',
    before: 'userId === undefined',
    reason: 'Only Windows has no user ids.',
  },
  {
    where: 'PollLoop.#start',
    kind: '< becomes <=',
    before: 'active.descriptor < 0',
    reason: 'Descriptor 0 is standard input, which Node keeps open.',
  },
  {
    where: 'PollLoop.#tryConnect',
    kind: '< becomes <=',
    before: 'active.descriptor < 0',
    reason: 'Descriptor 0 is standard input, which Node keeps open.',
  },
  {
    where: 'JobDescriptors.open',
    kind: '< becomes <=',
    before: 'descriptor < 0',
    reason: 'Descriptor 0 is standard input, which Node keeps open.',
  },
  {
    where: 'PollLoop.#wait',
    kind: '> becomes >=',
    before: 'unread > 0',
    reason: 'The loop looks once more, in vain.',
  },
  {
    where: 'ConnectionOpener.#beforeRetry',
    kind: 'condition is true',
    before: 'connectRetrying.wanted',
    reason: 'An event that is published without listeners reaches no code.',
  },
  {
    where: 'ConnectionOpener.constructor',
    kind: 'condition is false',
    before: 'handoff === undefined',
    reason: 'A pool that never adopts does not send this Hello; encoding it costs time alone.',
  },
  {
    where: 'ConnectionOpener.clear',
    kind: '+= becomes -=',
    before: 'this.#generation += 1',
    reason: 'Any other number tells the connects that began before.',
  },
  {
    where: 'LeaseWatch.#begin',
    kind: 'condition is true',
    before: 'acquireStarted.wanted',
    reason: 'An event that is published without listeners reaches no code.',
  },
  {
    where: 'LeaseWatch.#publishEnd',
    kind: 'condition is true',
    before: 'released.wanted',
    reason: 'An event that is published without listeners reaches no code.',
  },
  {
    where: 'LeaseWatch.#begin',
    kind: 'condition is false',
    before: 'this.#lost === undefined',
    reason: 'Takes a stack that no leak report shows.',
  },
  {
    where: 'LeaseWatch.end',
    kind: 'condition is true',
    before: 'usedMs > 0',
    reason: 'Leases of 0 ms that are not recorded are counted in the stats all the same.',
  },
  {
    where: 'LeaseWatch.end',
    kind: '> becomes >=',
    before: 'usedMs > 0',
    reason: 'Leases of 0 ms that are not recorded are counted in the stats all the same.',
  },
  {
    where: 'streamConnection',
    kind: 'condition is true',
    before: '!isRead',
    reason: 'One read takes all that has arrived; the loop looks once more, in vain.',
  },
  {
    where: 'Handshake.#onReady',
    kind: 'no call',
    before: 'this.#decoder.wipe();',
    reason: 'What is left in the decoder is what the backend sent, which the caller gets, too.',
  },
  {
    where: 'Retries.#pause',
    kind: 'condition is false',
    before: 'pauses.size === 0',
    reason: 'Keeps an empty set for each target that has paused.',
  },
  {
    where: 'Retries.#pause',
    kind: 'no call',
    before: 'this.#pauses.delete(key);',
    reason: 'Keeps an empty set for each target that has paused.',
  },
  {
    where: 'receiveOutcome',
    kind: '> becomes >=',
    before: 'residue.length > 0',
    reason: 'An empty residue adds nothing.',
  },
  {
    where: 'drainOnEventLoop',
    kind: 'condition is true',
    before: 'sent < job.request.length',
    reason: 'Writes no byte more.',
  },
  {
    where: 'drainOnEventLoop',
    kind: '< becomes <=',
    before: 'sent < job.request.length',
    reason: 'Writes no byte more.',
  },
];
