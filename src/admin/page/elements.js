// Parts of the page. Text goes in as text alone, so nothing shown can become markup.

export const at = id => document.getElementById(id);

export function say(id, text, good) {
  at(id).textContent = text;
  at(id).className = good ? 'good' : 'bad';
}

// A link by which the browser keeps bytes or a text as a file.
export function offer(link, name, content) {
  link.href = URL.createObjectURL(new Blob([content], {type: 'application/octet-stream'}));
  link.download = name;
  link.textContent = name;
}
