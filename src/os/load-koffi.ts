import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type koffi from 'koffi';
import { requirePackage } from '../package-files.js';

/**
 * The dynamic linker of musl by architecture. A system has musl only if it has this file. There koffi chooses
 * between two libraries.
 */
const MUSL_LINKERS: Readonly<Record<string, string>> = {
  x64: '/lib/ld-musl-x86_64.so.1',
  arm64: '/lib/ld-musl-aarch64.so.1',
};

/**
 * Loads koffi. Its scripts look for the library and take 7 ms of a new process, the library takes one. So the
 * library is loaded from its usual place, and the scripts only where it is not there.
 *
 * Required, not imported: a platform without a prebuilt library must be able to load this module.
 */
export function loadKoffi(): typeof koffi {
  const ffi: typeof koffi = loadLibrary() ?? requirePackage('koffi');
  return ffi;
}

/**
 * `undefined` where the library is not in its usual place, or of another version than koffi's scripts.
 *
 * @param folder where koffi lies
 */
export function loadLibrary(folder = koffiFolder()): typeof koffi | undefined {
  const { arch, platform } = process;
  const muslLinker = MUSL_LINKERS[arch];
  if (platform !== 'linux' || muslLinker === undefined || existsSync(muslLinker)) return undefined;
  try {
    const manifest: { version: unknown } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
    const path = `../@koromix/koffi-linux-${arch}/linux_${arch}/koffi.node`;
    const library: typeof koffi = requirePackage(join(folder, path));
    return library.version === manifest.version ? library : undefined;
  } catch {
    return undefined;
  }
}

function koffiFolder(): string {
  return dirname(requirePackage.resolve('koffi'));
}
