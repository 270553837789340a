// Argon2id takes seconds: apart from the page, which goes on answering meanwhile.
import {argon2id} from './argon2.js';

onmessage = ({data}) => {
  try {
    const told = done => postMessage({done});
    postMessage({key: argon2id(data.passphrase, data.salt, data.passes, data.memoryBytes, told)});
  } catch (e) {
    postMessage({fault: e instanceof RangeError ? 'memory' : String(e)});
  }
  data.passphrase.fill(0);
};
