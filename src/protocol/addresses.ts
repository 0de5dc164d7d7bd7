import { AssertionError } from '../base/assert.ts';
import type { Address } from './topology.ts';

/** A host and a port, the host as `node:net` takes it: in lower case and without brackets. */
export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

const HTTP_PORT = 80;
/** A name, an IPv4 address, or an IPv6 address in brackets. */
const HOST = '(\\[[0-9A-Fa-f:.]+\\]|[^\\s:/?#@%\\\\\\[\\]]+)';
const PORT = '[1-9][0-9]{0,4}';
/** `http://host:port` without a path; the port may be left out. */
export const URL_PATTERN = new RegExp(`^http://${HOST}(:${PORT})?$`);
/** `http://host:port` or `https://host:port` without a path; the port may be left out. */
export const ORIGIN_PATTERN = new RegExp(`^https?://${HOST}(:${PORT})?$`);
/** `host:port`. */
export const PEER_PATTERN = new RegExp(`^${HOST}:${PORT}$`);

/** The three names of a machine's loopback count as one host. INTERFACE.md, "Topology file". */
const LOOPBACK: ReadonlySet<string> = new Set(['localhost', '127.0.0.1', '::1']);

/** Where a URL of the topology leads, its port 80 unless given; `null` when it isn't `http://host:port`. */
export function urlEndpoint(url: string): Endpoint | null {
  return URL_PATTERN.test(url) ? endpointOf(url) : null;
}

/** Where a peer address leads; `null` when it isn't `host:port`. */
export function peerEndpoint(address: string): Endpoint | null {
  return PEER_PATTERN.test(address) ? endpointOf(`http://${address}`) : null;
}

/** Whether two hosts are one: the same but for case and brackets, or both names of the loopback. */
export function sameHost(a: string, b: string): boolean {
  return hostKey(bare(a)) === hostKey(bare(b));
}

/** The text by which an endpoint is told from others: equal for two spellings of one. */
export function endpointKey({ host, port }: Endpoint): string {
  return `${hostKey(host)} ${port}`;
}

/** Where a process with these URLs listens unless told otherwise: on both loopbacks, or on all addresses. */
export function listenHosts(urls: readonly string[]): 'loopback' | 'all' {
  return urls.every((url) => LOOPBACK.has(checkedUrl(url).host)) ? 'loopback' : 'all';
}

/** The port of a checked URL. */
export function portOf(url: string): number {
  return checkedUrl(url).port;
}

/** The port of a checked peer address. */
export function peerPort(address: string): number {
  return checkedPeer(address).port;
}

/** The host of a checked peer address, without brackets. */
export function peerHost(address: string): string {
  return checkedPeer(address).host;
}

/**
 * The URL, as the topology has it, that a redirect from one node to another leads to. It is on the network that the
 * request came by: at the same place of the list as the URL of `from` that the request's `Host` names; else the one
 * with the same host; else the first. INTERFACE.md, "Topology file".
 */
export function redirectTarget(hop: { from: Address; to: Address; host: string | undefined }): string {
  const came = hop.host === undefined ? null : endpointOf(`http://${hop.host}`);
  const first = hop.to.urls[0] ?? '';
  if (came === null) return first;
  return samePlace(hop.from, hop.to, came) ?? sameName(hop.to, came) ?? first;
}

function samePlace(from: Address, to: Address, came: Endpoint): string | undefined {
  const place = from.urls.findIndex((url) => endpointKey(checkedUrl(url)) === endpointKey(came));
  return to.urls[place];
}

function sameName(to: Address, came: Endpoint): string | undefined {
  return to.urls.find((url) => hostKey(checkedUrl(url).host) === hostKey(came.host));
}

function checkedUrl(url: string): Endpoint {
  return urlEndpoint(url) ?? fail(url);
}

function checkedPeer(address: string): Endpoint {
  return peerEndpoint(address) ?? fail(address);
}

function fail(text: string): never {
  throw new AssertionError(`not an address of a checked topology: ${text}`);
}

function hostKey(host: string): string {
  return LOOPBACK.has(host) ? 'localhost' : host;
}

function bare(host: string): string {
  const text = host.includes(':') && !host.startsWith('[') ? `[${host}]` : host;
  return endpointOf(`http://${text}`)?.host ?? host.toLowerCase();
}

/** By the URL parser, so that every spelling of an address (`[0:0::1]`, `LOCALHOST`, `node-1.`) becomes the same. */
function endpointOf(url: string): Endpoint | null {
  const parsed = URL.parse(url);
  if (parsed === null || parsed.hostname === '' || parsed.username !== '' || parsed.pathname !== '/')
    return null;
  const host = parsed.hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '');
  const port = parsed.port === '' ? HTTP_PORT : Number(parsed.port);
  return host === '' || port === 0 ? null : { host, port };
}
