// Bytes and their spellings.

export const utf8 = text => new TextEncoder().encode(text);

export const random = length => crypto.getRandomValues(new Uint8Array(length));

export function join(...parts) {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

export const hex = bytes => Array.from(bytes, byte => byte.toString(16).padStart(2, '0')).join('');

export const unhex = text => Uint8Array.from(text.match(/../g) || [], pair => parseInt(pair, 16));

// In pieces: a call has room for so many arguments and no more.
export function base64(bytes) {
  let binary = '';
  for (let at = 0; at < bytes.length; at += 4096)
    binary += String.fromCharCode(...bytes.subarray(at, at + 4096));
  return btoa(binary);
}

export const base64url = bytes => base64(bytes).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');

export const unbase64url = text =>
  Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), letter => letter.charCodeAt(0));

export const sha256 = async bytes => new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));

// What holds a secret is not left to the browser's leisure. Its texts are out of reach: they cannot be written over.
export function wipe(...arrays) {
  for (const array of arrays)
    if (array)
      array.fill(0);
}
