// The keys that are made here: a caller's (src/vault/client_key.h) and the operators' token.
import {base64url, hex, random, sha256, utf8} from './bytes.js';
import {blake2b} from './blake2b.js';

// 32 characters that are not mistaken for one another when read aloud.
const ALPHABET = 'abcdefghijkmnpqrstuvwxyz23456789';

const letters = bytes => Array.from(bytes, byte => ALPHABET[byte % 32]).join('');

// The text with its check sum, from an id and 32 random bytes.
export function clientKeyText(id, secret) {
  const head = `lk1_${id}_${base64url(secret)}`;
  return `${head}_${letters(blake2b(utf8(head), 32).subarray(0, 6))}`;
}

export function makeClientKey() {
  const id = letters(random(8)), secret = random(32);
  const key = {id, text: clientKeyText(id, secret), hashed: utf8(id + base64url(secret))};
  secret.fill(0);
  return key;
}

export async function makeToken() {
  const text = 'lat_' + hex(random(32));
  return {text, hash: hex(await sha256(utf8(text)))};
}
