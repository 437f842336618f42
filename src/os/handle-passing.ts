import { DARWIN, F_SETFD, FD_CLOEXEC, LINUX } from './abi.js';
import { boundOnce, type Bindings } from './further-calls.js';

/** The result of {@link HandlePassing.receiveHandle}. */
export interface ReceivedHandle {
  /** How many bytes arrived; 0 is the end of the stream, a negative number the negated errno. */
  readonly bytes: number;
  /** A descriptor that is the caller's to close, or -1. Close-on-exec. */
  readonly descriptor: number;
}

/**
 * Descriptors that travel beside bytes (SCM_RIGHTS): the calls by which a broker hands a connection over to a
 * backend. Results are as in `SystemCalls`; nothing here blocks, so that callers see EAGAIN and decide.
 */
export interface HandlePassing {
  /**
   * Sends `payload` and with its first byte a copy of `descriptor`, which stays open here. Returns the bytes sent.
   */
  sendHandle(socket: number, payload: Uint8Array, descriptor: number): number;
  /**
   * Reads at most `into.length` bytes and the descriptor that came with them. Reading such bytes in any other
   * way loses the descriptor.
   */
  receiveHandle(socket: number, into: Uint8Array): ReceivedHandle;
}

/**
 * Numbers of the 64-bit ABIs, and where in a `struct cmsghdr` its fields lie: the length (size_t or u32)
 * comes first.
 */
const LINUX_64 = { ...LINUX, MSG_CMSG_CLOEXEC: 0x40000000, level: 8, type: 12, data: 16 };
type Abi = typeof LINUX_64;
const DARWIN_64: Abi = { ...DARWIN, MSG_CMSG_CLOEXEC: 0, level: 4, type: 8, data: 12 };

/**
 * `struct msghdr` on both: name (pointer), namelen, iov (pointer), iovlen, control (pointer), controllen,
 * flags.
 */
const MSGHDR = { iov: 16, iovlen: 24, control: 32, controllen: 40 } as const;

const SCM_RIGHTS = 1;
const DESCRIPTOR_BYTES = 4;

/**
 * One block of memory, headed by the msghdr, holds everything that a call refers to: it has one address and
 * lives as long as the call.
 */
const VECTOR_AT = 64;
const CONTROL_AT = 80;
const BYTES_AT = 112;

/** 64 bits a pointer, the lowest byte first; the layouts of all others differ. */
const KNOWN_ARCHITECTURES: ReadonlySet<string> = new Set(['x64', 'arm64', 'riscv64', 'loong64']);

const load = boundOnce(bind);

/** `undefined` where the C library cannot be reached, or the platform's layouts are not known here. */
export function loadHandlePassing(architecture: string = process.arch): HandlePassing | undefined {
  return KNOWN_ARCHITECTURES.has(architecture) ? load() : undefined;
}

function bind({ define, address, system, platform }: Bindings): HandlePassing {
  const abi = platform === 'linux' ? LINUX_64 : DARWIN_64;
  const sendMessage = define('intptr_t sendmsg(int fd, const uint8_t *message, int flags)');
  const receiveMessage = define('intptr_t recvmsg(int fd, uint8_t *message, int flags)');
  const control = define('int fcntl(int fd, int command, ...)');
  /**
   * The length of a control message with one descriptor. As the room for receiving it is exact: padded to
   * CMSG_SPACE, Linux would put a second descriptor into the padding, where it would leak. The kernel closes
   * descriptors without room.
   */
  const controlBytes = abi.data + DESCRIPTOR_BYTES;

  function message(capacity: number): DataView {
    const block = new DataView(new ArrayBuffer(BYTES_AT + capacity));
    const start = address(new Uint8Array(block.buffer));
    block.setBigUint64(VECTOR_AT, start + BigInt(BYTES_AT), true);
    block.setBigUint64(VECTOR_AT + 8, BigInt(capacity), true);
    block.setBigUint64(MSGHDR.iov, start + BigInt(VECTOR_AT), true);
    block.setBigUint64(MSGHDR.control, start + BigInt(CONTROL_AT), true);
    // size_t on Linux, 32 bits on macOS: the upper half is zero already.
    block.setUint32(MSGHDR.iovlen, 1, true);
    block.setUint32(MSGHDR.controllen, controlBytes, true);
    return block;
  }

  /** On the way in the kernel says in `controllen` how much it wrote. */
  function descriptorIn(block: DataView): number {
    if (block.getUint32(MSGHDR.controllen, true) < controlBytes) return -1;
    const isRights =
      block.getInt32(CONTROL_AT + abi.level, true) === abi.SOL_SOCKET &&
      block.getInt32(CONTROL_AT + abi.type, true) === SCM_RIGHTS;
    return isRights ? block.getInt32(CONTROL_AT + abi.data, true) : -1;
  }

  return {
    sendHandle(socket, payload, descriptor) {
      // H-03: the descriptor travels with the first byte. H-07: EAGAIN is the caller's to handle.
      const block = message(payload.length);
      const bytes = new Uint8Array(block.buffer);
      bytes.set(payload, BYTES_AT);
      block.setUint32(CONTROL_AT, controlBytes, true);
      block.setInt32(CONTROL_AT + abi.level, abi.SOL_SOCKET, true);
      block.setInt32(CONTROL_AT + abi.type, SCM_RIGHTS, true);
      block.setInt32(CONTROL_AT + abi.data, descriptor, true);
      return sendMessage(socket, bytes, abi.MSG_DONTWAIT | abi.MSG_NOSIGNAL);
    },

    // H-05: the only way to read such bytes that keeps the descriptor.
    receiveHandle(socket, into) {
      const block = message(into.length);
      const bytes = new Uint8Array(block.buffer);
      const count = receiveMessage(socket, bytes, abi.MSG_DONTWAIT | abi.MSG_CMSG_CLOEXEC);
      if (count < 0) return { bytes: count, descriptor: -1 };
      into.set(bytes.subarray(BYTES_AT, BYTES_AT + count));
      const descriptor = descriptorIn(block);
      if (descriptor >= 0 && abi.MSG_CMSG_CLOEXEC === 0) {
        const result = control(descriptor, F_SETFD, 'int', FD_CLOEXEC);
        if (result < 0) {
          system.close(descriptor);
          return { bytes: result, descriptor: -1 };
        }
      }
      return { bytes: count, descriptor };
    },
  };
}
