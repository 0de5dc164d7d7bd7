/** The address line of a request, taken apart without changing it: dots, double slashes and escapes stay as they came. */
export interface Target {
  /** The path, still percent-encoded. */
  readonly path: string;
  /** What the router gets to see: the path up to and with its second slash. */
  readonly routed: string;
  /** What follows that slash, still percent-encoded; empty when nothing does. */
  readonly rawKey: string;
  /** What follows the `?`, still percent-encoded. */
  readonly rawQuery: string;
}

/**
 * Takes a request's address line apart: `/get/a%2Fb?x=1`, or with scheme and host before it. Node's
 * parser lets nothing but printable ASCII through.
 */
export function parseTarget(url: string): Target {
  const bare = withoutHost(url);
  const mark = bare.indexOf('?');
  const path = mark < 0 ? bare : bare.slice(0, mark);
  const slash = path.indexOf('/', 1);
  return {
    path,
    routed: slash < 0 ? path : path.slice(0, slash + 1),
    rawKey: slash < 0 ? '' : path.slice(slash + 1),
    rawQuery: mark < 0 ? '' : bare.slice(mark + 1),
  };
}

function withoutHost(url: string): string {
  if (url.startsWith('/')) return url;
  const rest = /^[a-z][a-z0-9+.-]*:\/\/[^/?]*(.*)$/is.exec(url)?.[1];
  if (rest === undefined) return url;
  return rest.startsWith('/') ? rest : `/${rest}`;
}

/** A raw query with one parameter set to `value`, in place of any that it had by that name. */
export function withParameter(rawQuery: string, name: string, value: string): string {
  const others = rawQuery
    .split('&')
    .filter((part) => part !== '' && part !== name && !part.startsWith(`${name}=`));
  return [...others, `${name}=${encodeURIComponent(value)}`].join('&');
}

/** A segment that those who tidy addresses take for a step: `.` or `..`, also in escapes. */
const DOT_SEGMENT = /(^|\/)(\.|%2e){1,2}(\/|$)/i;

/**
 * The same path and query, written so that who follows a `Location` sends it on unchanged: bare, a `#` would be cut off
 * with what follows, a backslash become a slash, dots swallow what is before them. A key that is `.` or `..` can't be helped.
 */
export function followable({ path, rawKey, rawQuery }: Target): Pick<Target, 'path' | 'rawQuery'> {
  const key = rawKey.replaceAll('#', '%23').replaceAll('\\', '%5C');
  const safe = DOT_SEGMENT.test(key) ? key.replaceAll('/', '%2F') : key;
  const route = path.slice(0, path.length - rawKey.length);
  return { path: route + safe, rawQuery: rawQuery.replaceAll('#', '%23') };
}
