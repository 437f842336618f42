import type { Socket } from 'node:net';
import { afterThisCode } from '../../clock.js';
import { BrokerPoolError } from '../../errors.js';
import { Fifo } from '../../fifo.js';
import type { FrameView } from '../../frames/codec/frame-view.js';
import { FrameReader } from '../../frames/codec/frame-reader.js';
import { hasHungUp } from '../../os/hang-up.js';
import { descriptorOf } from '../../os/socket-handle.js';
import { Answers } from './answers.js';
import type { BackendSettings } from '../options.js';
import { PendingRequest } from './backend-request.js';
import { askService, type Classification } from './classification.js';
import { giveBack } from './give-back.js';
import { kindOf } from './message-kind.js';
import type { Service } from './service.js';

/**
 * Why a connection reads no more. `ended`: the client ended its side. `closing`: the requests in flight are
 * answered, then it closes. `own`: they are answered, then the service gets it.
 */
type ReadState = 'reading' | 'ended' | 'closing' | 'own' | 'over';

/**
 * One client's connection: tells probes, requests and the service's own bytes apart at each message boundary
 * (S-71, S-76), answers, and hands own bytes over. It reads no further while `maxInFlight` answers are owed,
 * or the client does not read them.
 */
export class FrameConnection {
  readonly #socket: Socket;
  readonly #service: Service;
  readonly #settings: BackendSettings;
  readonly #onOwnBytes: (socket: Socket) => void;
  readonly #reader = new FrameReader();
  readonly #answers: Answers;
  readonly #pending = new Fifo<PendingRequest>();
  #state: ReadState = 'reading';
  /** Answers owed, those to probes included. */
  #owed = 0;
  /** A probe waits for the identity, and the requests behind it wait for its answer. */
  #awaitsIdentity = false;
  #isPaused = false;
  #isFlushDue = false;
  /** The message that has begun is a frame: it need not be classified again. */
  #isFrame = false;

  /** @param onOwnBytes gets the connection with its unread bytes: it belongs to the service from there on */
  constructor(socket: Socket, service: Service, onOwnBytes: (socket: Socket) => void) {
    this.#socket = socket;
    this.#service = service;
    this.#settings = service.settings;
    this.#onOwnBytes = onOwnBytes;
    this.#answers = new Answers(socket);
    socket
      .on('data', this.#onData)
      .on('end', this.#onEnd)
      .on('drain', this.#onDrain)
      .on('close', this.#onClose);
  }

  /** Answers the requests in flight, reads no more, and closes. Idempotent. */
  close(): void {
    if (this.#state === 'over') return;
    this.#state = 'closing';
    this.#throttle();
    this.#settle();
  }

  readonly #onData = (chunk: Buffer): void => {
    if (this.#state !== 'reading') return;
    this.#reader.push(chunk);
    this.#process();
  };

  readonly #onEnd = (): void => {
    // To give up a request is to close (S-57); to end one's side is not (S-59).
    if (hasHungUp(descriptorOf(this.#socket))) return void this.#socket.destroy();
    if (this.#state === 'reading') this.#state = 'ended';
    this.#settle();
  };

  readonly #onDrain = (): void => {
    this.#process();
  };

  readonly #onClose = (): void => {
    this.#state = 'over';
    for (const request of this.#pending.takeAll()) request.abort();
  };

  /** Serves the frames that have arrived, as far as the limits allow. */
  #process(): void {
    while ((this.#state === 'reading' || this.#state === 'ended') && !this.#isFull()) {
      const frame = this.#readFrame();
      if (frame === undefined) break;
      this.#serve(frame);
      // An answer that needs no wait does not count as in flight: only the socket can tell that there are too many.
      if (this.#answers.shouldFlush) this.#answers.flush();
    }
    this.#answers.flush();
    this.#throttle();
    this.#settle();
  }

  #isFull(): boolean {
    return this.#awaitsIdentity || this.#owed >= this.#settings.maxInFlight || this.#socket.writableNeedDrain;
  }

  /** Leaves bytes that would not be served now in the kernel. */
  #throttle(): void {
    if (this.#state === 'over') return;
    const mustPause = this.#isFull() || this.#state === 'closing' || this.#state === 'own';
    if (mustPause === this.#isPaused) return;
    this.#isPaused = mustPause;
    if (mustPause) this.#socket.pause();
    else this.#socket.resume();
  }

  #readFrame(): FrameView | undefined {
    if (this.#settings.classify !== undefined && !this.#isFrame && !this.#classify(this.#settings.classify))
      return undefined;
    try {
      const frame = this.#reader.read();
      if (frame !== undefined) this.#isFrame = false;
      return frame;
    } catch (error) {
      const isOwn =
        this.#takesOwnBytes && error instanceof BrokerPoolError && error.code === 'FRAMING_VERSION';
      // S-72: fatal at once, without waiting for the rest of the frame.
      this.#state = isOwn ? 'own' : 'closing';
      return undefined;
    }
  }

  /** Whether the service takes connections with bytes of its own. */
  get #takesOwnBytes(): boolean {
    return this.#settings.onConnection !== undefined || this.#settings.httpServer !== undefined;
  }

  /** Whether the bytes that have arrived begin a frame. */
  #classify(classify: (bytes: Uint8Array) => Classification): boolean {
    const bytes = this.#reader.unread();
    if (bytes.length === 0) return false;
    const classification = askService(classify, bytes);
    this.#isFrame = classification === 'frames';
    if (classification === 'own') this.#state = this.#takesOwnBytes ? 'own' : 'closing';
    if (classification === undefined) this.#state = 'closing';
    return this.#isFrame;
  }

  #serve(frame: FrameView): void {
    switch (kindOf(frame, this.#settings.payloadProtocols)) {
      case 'probe':
        return this.#answerProbe(frame);
      case 'request':
        return this.#request(frame);
      case 'fatal':
        this.#state = 'closing';
        return;
      case 'ignored':
        return;
    }
  }

  #answerProbe(probe: FrameView): void {
    const identity = this.#service.tellIdentity();
    this.#owed++;
    if (identity instanceof Uint8Array) return this.#onIdentity(probe, identity);
    this.#awaitsIdentity = true;
    const onIdentity = (bytes: Uint8Array | undefined): void => {
      this.#awaitsIdentity = false;
      this.#onIdentity(probe, bytes);
      this.#flushSoon();
    };
    void identity.then(onIdentity);
  }

  #onIdentity(probe: FrameView, identity: Uint8Array | undefined): void {
    this.#owed--;
    // Without an identity there is no answer that a prober accepts.
    if (identity === undefined) return this.close();
    this.#write(probe, Buffer.concat([probe.payload, identity]));
  }

  #request(frame: FrameView): void {
    const { onRequest } = this.#settings;
    if (onRequest === undefined) return void (this.#state = 'closing');
    const request = new PendingRequest(frame);
    // Before the call, which may close the backend: this answer is owed.
    this.#owed++;
    let answer: Uint8Array | Promise<Uint8Array>;
    try {
      this.#service.count('requests');
      answer = onRequest(request);
    } catch (error) {
      return this.#fail(request, error);
    }
    if (answer instanceof Uint8Array) this.#answer(request, answer);
    else this.#awaitAnswer(request, answer);
  }

  #awaitAnswer(request: PendingRequest, answer: Promise<Uint8Array>): void {
    this.#pending.push(request);
    // Where the client has gone, nothing is pending any more: a handler may well fail for that very reason.
    const onAnswer = (payload: unknown): void => {
      if (!this.#pending.remove(request)) return;
      this.#answer(request, payload);
      this.#flushSoon();
    };
    const onError = (error: unknown): void => {
      if (!this.#pending.remove(request)) return;
      this.#fail(request, error);
      this.#flushSoon();
    };
    Promise.resolve(answer).then(onAnswer, onError);
  }

  #answer(request: PendingRequest, payload: unknown): void {
    try {
      if (!(payload instanceof Uint8Array)) throw new TypeError('onRequest must return a Uint8Array');
      this.#write(request.frame, payload);
    } catch (error) {
      return this.#fail(request, error);
    }
    this.#owed--;
  }

  /** Protocol v1 has no answer that says "failed" (S-51): the connection ends behind the other answers. */
  #fail(request: PendingRequest, error: unknown): void {
    this.#owed--;
    if (this.#state !== 'over') this.#state = 'closing';
    this.#service.reportFailure(error, request);
  }

  #write(frame: FrameView, payload: Uint8Array): void {
    if (this.#state !== 'over') this.#answers.add(frame, payload);
  }

  /** Answers that come one by one in the same turn go out together. */
  #flushSoon(): void {
    if (this.#isFlushDue) return;
    this.#isFlushDue = true;
    afterThisCode(() => {
      this.#isFlushDue = false;
      this.#process();
    });
  }

  /** Ends or hands over a connection without requests in flight. */
  #settle(): void {
    if (this.#owed > 0 || this.#state === 'reading' || this.#state === 'over') return;
    // Bytes that wait for the client to read are requests, too.
    if (this.#state === 'ended' && this.#isFull()) return;
    this.#answers.flush();
    const isOwn = this.#state === 'own';
    this.#state = 'over';
    if (isOwn) this.#handOver();
    else this.#socket.end(() => this.#socket.destroy());
  }

  #handOver(): void {
    const socket = this.#socket;
    socket.off('data', this.#onData).off('end', this.#onEnd).off('drain', this.#onDrain);
    socket.off('close', this.#onClose);
    giveBack(socket, this.#reader.unread());
    this.#onOwnBytes(socket);
  }
}
