import { outOfContext } from '../../async-context.js';
import { warnProcess } from '../../process-warning.js';

/**
 * Why the file of the endpoint cache is not used as it should be. Never an error: the cache works in memory,
 * connects say Hello.
 *
 * - `ENDPOINT_FILE_REFUSED`: the file or its directory may be somebody else's work; it is neither read nor
 *   replaced.
 * - `ENDPOINT_FILE_CORRUPT`: something in it is no answer; the rest is used, the next write replaces it.
 * - `ENDPOINT_FILE_VERSION`: a newer release wrote it; it is neither read nor replaced.
 * - `ENDPOINT_FILE_UNREADABLE`, `ENDPOINT_FILE_UNWRITABLE`: the system said no.
 */
export type EndpointFileWarningCode =
  | 'ENDPOINT_FILE_CORRUPT'
  | 'ENDPOINT_FILE_REFUSED'
  | 'ENDPOINT_FILE_UNREADABLE'
  | 'ENDPOINT_FILE_UNWRITABLE'
  | 'ENDPOINT_FILE_VERSION';

/** Said once for each cache and cause. Names the file, never what is in it. */
export interface EndpointFileWarning {
  readonly code: EndpointFileWarningCode;
  readonly message: string;
  readonly file: string;
}

/** Hands a warning to the process, as a `BrokerPoolWarning`. */
export function emitEndpointFileWarning({ code, message }: EndpointFileWarning): void {
  outOfContext(() => warnProcess(code, message));
}
