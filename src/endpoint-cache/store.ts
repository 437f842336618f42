/** Endpoints that outlive the pool. The cache in memory knows the endpoint file by this interface alone. */
export interface EndpointStore {
  get(key: string): { readonly endpoint: string; readonly ageMs: number } | undefined;
  set(key: string, endpoint: string): void;
  /** Forgets the known endpoint; with `endpoint` only if it is that one. */
  forget(key: string, endpoint?: string): void;
  forgetAll(belongs: (key: string) => boolean): void;
  /** Writes the last changes; does nothing from then on. Idempotent. */
  close(): void;
}
