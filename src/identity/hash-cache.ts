import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, isAbsolute, join } from 'node:path';
import { replaceFile } from '../os/replace-file.js';
import { hashFile } from './file-hash.js';

/** Identifies one build of an executable, as far as the file system tells. */
interface Build {
  readonly path: string;
  readonly bytes: number;
  /** Nanoseconds since the Unix epoch; decimal. */
  readonly modifiedNs: string;
}

/** The content of a cache file. */
interface CachedHash extends Build {
  readonly blake3: string;
}

const BESIDE = '.blake3.json';
const HASH = /^[0-9a-f]{64}$/;
const PRIVATE_MODE = 0o600;
const READABLE_MODE = 0o644;

/** Hashes that this process knows, by path. */
const known = new Map<string, { readonly build: Build; readonly hash: Promise<Uint8Array> }>();

/**
 * The BLAKE3 of an executable. Node's has 100 MB, so each build of an executable is hashed once: the result is kept
 * in a file beside the executable, if {@link storeHashBeside} has put it there, or in the user's cache directory.
 */
export async function executableHash(path: string): Promise<Uint8Array> {
  // P-27: each verified process asks for it, and a build never changes.
  const build = buildOf(path);
  const last = known.get(path);
  if (last !== undefined && isSame(last.build, build)) return await last.hash;
  const hash = findHash(build);
  known.set(path, { build, hash });
  // A failure must be tried again.
  hash.catch(() => known.delete(path));
  return await hash;
}

/**
 * Hashes an executable and keeps the result beside it, so that its first launch finds it; where the directory
 * cannot be written to, in the user's cache directory.
 */
export async function storeHashBeside(path: string): Promise<void> {
  const build = buildOf(path);
  const cached = { ...build, blake3: Buffer.from(await hashFile(path)).toString('hex') };
  if (!write(path + BESIDE, cached, READABLE_MODE)) store(cached);
}

async function findHash(build: Build): Promise<Uint8Array> {
  const cached = read(build.path + BESIDE, build) ?? read(cacheFile(build.path), build);
  if (cached !== undefined) return cached;
  const hash = await hashFile(build.path);
  // The hash belongs to the build only if no other build took its place meanwhile.
  if (isSame(buildOf(build.path), build)) store({ ...build, blake3: Buffer.from(hash).toString('hex') });
  return hash;
}

function buildOf(path: string): Build {
  const { size, mtimeNs } = statSync(path, { bigint: true });
  return { path, bytes: Number(size), modifiedNs: String(mtimeNs) };
}

function isSame(one: Build, other: Build): boolean {
  return one.path === other.path && one.bytes === other.bytes && one.modifiedNs === other.modifiedNs;
}

/** The hash in a cache file; `undefined` for a file that is missing, broken, or of another build. */
function read(file: string, build: Build): Uint8Array | undefined {
  try {
    const cached: CachedHash = JSON.parse(readFileSync(file, 'utf8'));
    return isSame(cached, build) && HASH.test(cached.blake3) ? Buffer.from(cached.blake3, 'hex') : undefined;
  } catch {
    return undefined;
  }
}

/** A cache that cannot be written costs time, not correctness. */
function store(cached: CachedHash): void {
  const file = cacheFile(cached.path);
  try {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  } catch {
    return;
  }
  write(file, cached, PRIVATE_MODE);
}

/** Whether the file was written. */
function write(file: string, cached: CachedHash, mode: number): boolean {
  try {
    replaceFile(file, `${JSON.stringify(cached)}\n`, mode);
    return true;
  } catch {
    return false;
  }
}

function cacheFile(path: string): string {
  const name = createHash('sha256').update(path).digest('hex').slice(0, 32);
  return join(cacheDirectory(), 'broker-pool', `${name}${BESIDE}`);
}

function cacheDirectory(): string {
  const { XDG_CACHE_HOME } = process.env;
  if (process.platform === 'darwin') return join(homedir(), 'Library', 'Caches');
  return XDG_CACHE_HOME !== undefined && isAbsolute(XDG_CACHE_HOME)
    ? XDG_CACHE_HOME
    : join(homedir(), '.cache');
}
