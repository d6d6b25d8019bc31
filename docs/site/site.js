// What the pages do: search, dark and light, the menu on narrow windows, code to copy. They are
// read from the disk as well as from a server, so nothing is fetched: the index is a script, which
// is loaded when somebody searches.
"use strict";

const root = document.currentScript.dataset.root;
const byId = (id) => document.getElementById(id);

function element(name, textContent, className = "") {
  return Object.assign(document.createElement(name), { textContent, className });
}

// ---- dark and light ----

const dark = matchMedia("(prefers-color-scheme: dark)");

function remembered() {
  try { return localStorage.getItem("theme"); } catch { return null; }
}

function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
  try { localStorage.setItem("theme", theme); } catch { /* it holds for this page */ }
}

if (remembered()) document.documentElement.dataset.theme = remembered();
byId("theme").addEventListener("click", () => {
  const now = document.documentElement.dataset.theme || (dark.matches ? "dark" : "light");
  setTheme(now === "dark" ? "light" : "dark");
});

// ---- the menu ----

function showMenu(open) {
  byId("menu").classList.toggle("open", open);
  byId("menu-button").setAttribute("aria-expanded", String(open));
}

byId("menu-button").addEventListener("click", () => {
  showMenu(!byId("menu").classList.contains("open"));
});
document.querySelector("#menu [aria-current]")?.scrollIntoView({ block: "nearest" });

// ---- code to copy ----

async function copy(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const area = document.createElement("textarea"); // a page from the disk may have no clipboard
  area.value = text;
  document.body.append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
}

for (const block of document.querySelectorAll(".code")) {
  const button = element("button", "Copy", "copy");
  button.addEventListener("click", async () => {
    await copy(block.querySelector("code").textContent);
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  });
  block.append(button);
}

// ---- search ----

const MOST = 20, AROUND = 60;
const input = byId("search"), results = byId("results");
let chosen = -1;

let index; // a promise
function loadIndex() {
  index ??= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = root + "search.js";
    script.onload = () => resolve(window.searchIndex.map(([page, title, address, text]) => ({
      page, title, address, text,
      low: { page: page.toLowerCase(), title: title.toLowerCase(), text: text.toLowerCase() },
    })));
    script.onerror = reject;
    document.head.append(script);
  });
  return index;
}

// How well a word fits a section; 0: not at all.
function fit(section, word) {
  const { page, title, text } = section.low;
  if (title === word || title.endsWith("." + word) || title.endsWith(":" + word)) return 100;
  if (title.startsWith(word)) return 50;
  if (title.includes(word)) return 30;
  if (page.includes(word)) return 10;
  return text.includes(word) ? 3 : 0;
}

function rank(section, words) {
  let sum = 0;
  for (const word of words) {
    const points = fit(section, word);
    if (points === 0) return 0;
    sum += points;
  }
  return sum;
}

// Appends a text with the words marked.
function appendMarked(parent, text, words) {
  const escaped = words.map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  for (const part of text.split(new RegExp(`(${escaped.join("|")})`, "i"))) {
    parent.append(words.includes(part.toLowerCase()) ? element("mark", part) : part);
  }
}

// What stands around the first of the words.
function excerpt(section, words) {
  const at = Math.max(0, Math.min(...words.map((word) => {
    const found = section.low.text.indexOf(word);
    return found < 0 ? Infinity : found;
  })));
  const from = at === Infinity ? 0 : Math.max(0, at - AROUND);
  return (from > 0 ? "…" : "") + section.text.slice(from, from + 3 * AROUND);
}

function entry(section, words) {
  const item = document.createElement("li"), link = document.createElement("a");
  link.href = root + section.address;
  appendMarked(link, section.title, words);
  const small = document.createElement("small");
  if (section.page !== section.title) small.append(section.page + ": ");
  appendMarked(small, excerpt(section, words), words);
  link.append(small);
  link.addEventListener("click", hideResults);
  item.append(link);
  return item;
}

function hideResults() {
  results.hidden = true;
}

function choose(n) {
  const links = results.querySelectorAll("a");
  if (links.length === 0) return;
  chosen = (n + links.length) % links.length;
  links.forEach((link, i) => link.classList.toggle("chosen", i === chosen));
  links[chosen].scrollIntoView({ block: "nearest" });
}

async function search() {
  const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) return hideResults();
  const sections = await loadIndex();
  if (input.value.toLowerCase().split(/\s+/).filter(Boolean).join() !== words.join()) return;
  const found = sections.map((section) => [rank(section, words), section])
    .filter(([points]) => points > 0).sort((a, b) => b[0] - a[0]).slice(0, MOST);
  results.replaceChildren(...found.map(([, section]) => entry(section, words)));
  if (found.length === 0) {
    results.append(element("li", `Nothing found for “${input.value}”`, "nothing"));
  }
  results.hidden = false;
  choose(0);
}

input.addEventListener("focus", loadIndex, { once: true });
input.addEventListener("input", search);
input.addEventListener("keydown", (event) => {
  if (event.key === "ArrowDown") choose(chosen + 1);
  else if (event.key === "ArrowUp") choose(chosen - 1);
  else if (event.key === "Enter") results.querySelector("a.chosen")?.click();
  else if (event.key === "Escape") hideResults();
  else return;
  event.preventDefault();
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.target.matches("input, textarea") || event.ctrlKey) return;
  event.preventDefault();
  input.focus();
});
document.addEventListener("click", (event) => {
  if (!event.target.closest(".search")) hideResults();
});
