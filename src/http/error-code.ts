/**
 * The code of an error of Node or of undici, such as `ECONNREFUSED`; the empty string when it has none. When several
 * addresses of a host were tried, the first of their errors counts.
 */
export function errorCodeOf(error: unknown): string {
  if (typeof error !== 'object' || error === null) return '';
  if ('code' in error && typeof error.code === 'string') return error.code;
  return 'errors' in error && Array.isArray(error.errors) ? errorCodeOf(error.errors[0]) : '';
}
