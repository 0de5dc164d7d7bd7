/** So many bytes become characters at once: a call takes only so many arguments. */
const CHUNK_BYTES = 8192;

/** Bytes in base64. By what every runtime has, so that it is the same in Node and in browsers. */
export function toBase64(bytes: Uint8Array): string {
  const parts: string[] = [];
  for (let from = 0; from < bytes.length; from += CHUNK_BYTES) {
    parts.push(String.fromCharCode(...bytes.subarray(from, from + CHUNK_BYTES)));
  }
  return btoa(parts.join(''));
}

/** The bytes that a text in base64 stands for. @throws DOMException when it is none. */
export function fromBase64(text: string): Uint8Array {
  const characters = atob(text);
  const bytes = new Uint8Array(characters.length);
  for (let i = 0; i < characters.length; i++) bytes[i] = characters.charCodeAt(i);
  return bytes;
}
