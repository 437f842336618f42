import type { Mutant } from './mutants.js';

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
    before: 'this.#line.delete(user) && this.used < this.#max',
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
    before: 'this.#limits.lacking.size > 0',
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
    where: 'PrivateFile.#checkDirectory',
    kind: 'condition is false',
    before: 'user === undefined',
    reason: 'Only Windows has no user ids.',
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
    where: 'WorkerDriver.#close',
    kind: 'condition is false',
    before: '!this.#thread.ready',
    reason: 'A thread that begins reads the request to stop first, and ends some milliseconds later.',
  },
  {
    where: 'Targets.#knownBroker',
    kind: 'condition is false',
    before: '!endpointCache || endpointCache.file === undefined',
    reason: 'Derives the endpoint of a broker that no call has needed: the memory holds nothing of it.',
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
    where: 'LeaseWatch.end',
    kind: 'condition is true',
    before: 'this.watched > 0',
    reason: 'While no lease is watched, the map has no watched lease of any connection.',
  },
  {
    where: 'LeaseWatch.end',
    kind: '> becomes >=',
    before: 'this.watched > 0',
    reason: 'While no lease is watched, the map has no watched lease of any connection.',
  },
  {
    where: 'pushCopy',
    kind: 'condition is true',
    before: 'latest.length !== bytes',
    reason: 'Makes the view anew each time; the bytes are the same.',
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
  {
    where: 'LinkedQueue.shift',
    kind: 'condition is true',
    before: 'this.#linkedUntil !== undefined',
    reason: 'Clears a link that is not set.',
  },
  {
    where: 'LinkedQueue.remove',
    kind: 'condition is true',
    before: 'item !== this.first',
    reason: 'Links items backwards without need; their order is the same.',
  },
  {
    where: 'LinkedQueue.#unlinkFirst',
    kind: 'condition is true',
    before: 'this.first !== undefined',
    reason: 'The item that is linked backwards last stands in the queue still.',
  },
  {
    where: 'Pump.onWaiter',
    kind: '> becomes >=',
    before: 'idle + detached > 0',
    reason: 'The pump looks once more, in vain.',
  },
  {
    where: 'Pump.takeBack',
    kind: 'condition is false',
    before: "reason === 'unsent'",
    reason: 'A connection that has drained has nothing left to send.',
  },
  {
    where: 'AcquireQueue.enter',
    kind: 'condition is true',
    before:
      'terms?.started !== started || terms.timeoutMs !== timeoutMs || terms.attemptsBefore !== attemptsBefore || origin !== un…',
    reason: 'Each waiter has terms of its own, with the same values.',
  },
  {
    where: 'AcquireQueue.#begin',
    kind: '> becomes >=',
    before: 'deadlineMs > this.#latestDeadlineMs',
    reason: 'Stores the same value.',
  },
  {
    where: 'AcquireQueue.#begin',
    kind: '< becomes <=',
    before: 'deadlineMs < this.sweepAtMs',
    reason: 'Stores the same value.',
  },
  {
    where: 'AcquireQueue.#begin',
    kind: 'condition is true',
    before: 'this.sweepAtMs < this.#timer.dueMs',
    reason: 'The timer ignores a time that is not earlier than its own.',
  },
  {
    where: 'AcquireQueue.#begin',
    kind: '< becomes <=',
    before: 'this.sweepAtMs < this.#timer.dueMs',
    reason: 'The timer ignores a time that is not earlier than its own.',
  },
  {
    where: 'AcquireQueue.#begin',
    kind: 'condition is true',
    before: 'this.size === 0',
    reason: 'Says once more that callers wait.',
  },
  {
    where: 'TargetPool.onRest',
    kind: 'condition is true',
    before: 'this.#queue.size > 0',
    reason: 'The pump looks once more, in vain.',
  },
  {
    where: 'TargetPool.onRest',
    kind: '> becomes >=',
    before: 'this.#queue.size > 0',
    reason: 'The pump looks once more, in vain.',
  },
  {
    where: 'TargetPool.onRelease',
    kind: 'condition is true',
    before: 'this.#queue.size === 0 && this.#limits.holding.size > 0',
    reason: 'The pump looks once more, in vain.',
  },
  {
    where: 'TargetPool.onRelease',
    kind: '&& becomes ||',
    before: 'this.#queue.size === 0 && this.#limits.holding.size > 0',
    reason: 'The pump looks once more, in vain.',
  },
  {
    where: 'TargetPool.onRelease',
    kind: '> becomes >=',
    before: 'this.#limits.holding.size > 0',
    reason: 'The pump looks once more, in vain.',
  },
  {
    where: 'TargetPool.onRelease',
    kind: 'condition is true',
    before: 'this.#limits.closing',
    reason: 'The pump looks once more, in vain.',
  },
  {
    where: 'TargetPool.#leaseIdle',
    kind: 'condition is true',
    before: 'mustLook',
    reason: 'The pump looks at the connection, and leases the same one.',
  },
  {
    where: 'ConnectionCloser.closeDue',
    kind: 'condition is false',
    before: 'nowMs < this.nextMs',
    reason: 'The pump has asked the same before.',
  },
  {
    where: 'ConnectionCloser.closeDue',
    kind: 'returns undefined',
    before: 'return [];',
    reason: 'The pump has asked the same before, so that this is never reached.',
  },
  {
    where: 'ConnectionCloser.evictResting',
    kind: 'condition is false',
    before: 'this.#entries.detached === 0',
    reason: 'Only detached connections rest.',
  },
  {
    where: 'Capacity.takeSpare',
    kind: 'no call',
    before: 'this.#spareLine.delete(user);',
    reason: 'A target that has its spare slot is offered another one, which it does not take.',
  },
  {
    where: 'Capacity.leaveLine',
    kind: '< becomes <=',
    before: 'this.used < this.#max',
    reason: 'Offers spare slots once more, while none is free.',
  },
  {
    where: 'Capacity.leaveLine',
    kind: 'no call',
    before: 'this.#offerSpare();',
    reason: 'No slot stays free while a target stands in line.',
  },
  {
    where: 'Capacity.shouldYield',
    kind: 'no call',
    before: 'this.#line.add(user);',
    reason: "The target's own pump puts it into the line again when its connection has closed.",
  },
  {
    where: 'Capacity.#offerSpare',
    kind: 'condition is false',
    before: 'this.#spareLine.size === 0',
    reason: 'Offers slots to no target.',
  },
  {
    where: 'Capacity.#offerSpare',
    kind: 'no call',
    before: 'this.#spareLine.clear();',
    reason: 'A target that needs no spare slot does not take one.',
  },
  {
    where: 'PooledConnection.use',
    kind: 'condition is true',
    before: 'since !== leasedAt',
    reason: 'Stores the same object.',
  },
  {
    where: 'PooledConnection.use',
    kind: 'condition is true',
    before: "typeof since === 'number'",
    reason: 'References a socket that is referenced already.',
  },
  {
    where: 'TargetLimits.begin',
    kind: 'other boolean',
    before: 'hadSlot: false,',
    reason: 'It is read only after the end of the connect, which sets it.',
  },
  {
    where: 'Shutdown.#limit',
    kind: '>= becomes >',
    before: 'atMs >= this.#limitAtMs',
    reason: 'Sets the same limit anew.',
  },
  {
    where: 'checkPoolOptions',
    kind: 'no call',
    before: 'checkSocketsComparable();',
    reason: 'Throws on Bun alone.',
  },
  {
    where: 'warmUp',
    kind: 'condition is true',
    before: 'warm !== undefined',
    reason: 'Waits for nothing.',
  },
  {
    where: 'HealthChecks.stop',
    kind: 'other boolean',
    before: 'this.#checks.get(connection)?.settle?.(false);',
    reason: 'The verdict about a connection that closes does not count.',
  },
];

export function isSame(survivor: KnownSurvivor, { where, kind, before }: Mutant): boolean {
  return survivor.where === where && survivor.kind === kind && survivor.before === before;
}
