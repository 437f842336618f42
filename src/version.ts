/** This package as a broker sees it in a Hello (`client_lib_name`, `client_lib_version`). */
export const LIBRARY_NAME = 'broker-pool';
export const LIBRARY_VERSION = '0.1.0';
