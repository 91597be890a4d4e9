import assert from "node:assert/strict";
import { test } from "node:test";
import { wordsIn } from "../../src/ui/language.ts";
import { chooseLanguage, fetchLanguage } from "../../src/ui/language-part.ts";
import german from "../../src/ui/strings-de.json" with { type: "json" };
import { ENGLISH as CARDS } from "../../src/ui/strings-en.ts";
import { MORE_ENGLISH } from "../../src/ui/strings-more-en.ts";
import { type PluralForms, type Strings, Words } from "../../src/ui/words.ts";
import { ERROR_CODES } from "../../src/wire/messages.ts";

const ENGLISH = { ...CARDS, ...MORE_ENGLISH };

/** Also holds the file to the table's type: a missing key does not compile. */
const TABLES: Readonly<Record<string, Strings<typeof ENGLISH>>> = { en: ENGLISH, de: german };

const english = new Words({ tag: "en", direction: "ltr", strings: ENGLISH });
const inGerman = new Words({ tag: "de", direction: "ltr", strings: german });

/** Reasons that only a server's check of a mirror can find: a page cannot tell them from an unreachable one. */
const SERVER_ONLY: ReadonlySet<string> = new Set(["mirror_tls", "mirror_too_slow"]);

const formsOf = (text: string | PluralForms) => (typeof text === "string" ? [text] : Object.values(text));
const namesIn = (text: string) => [...text.matchAll(/\{(\w+)\}/g)].map(([, name]) => name).sort();

for (const [tag, table] of Object.entries(TABLES)) {
  test(`${tag} has the keys of English, in its order, and no other`, () => {
    assert.deepEqual(Object.keys(table), Object.keys(ENGLISH));
  });

  test(`${tag} puts in the values that English does, each as often`, () => {
    for (const [key, text] of Object.entries(ENGLISH)) {
      const wanted = new Set(formsOf(text).flatMap(namesIn));
      for (const form of formsOf(table[key as keyof typeof ENGLISH])) {
        assert.deepEqual(new Set(namesIn(form)), wanted, `${tag} ${key}`);
      }
    }
  });

  test(`${tag} has each plural form that it needs, and none that it never uses`, () => {
    const needed = new Intl.PluralRules(tag).resolvedOptions().pluralCategories;
    for (const [key, text] of Object.entries(table)) {
      if (typeof text === "object") assert.deepEqual(Object.keys(text).sort(), [...needed].sort(), `${tag} ${key}`);
    }
  });

  test(`${tag} says why a source is not used, and why a file is refused, for every code`, () => {
    for (const code of [...ERROR_CODES.source, "segment_mismatch"]) {
      assert.equal(`problem_${code}` in table, !SERVER_ONLY.has(code), code);
    }
    for (const code of ERROR_CODES.integrity) assert.ok(`why_${code}` in table, code);
  });
}

test("no code of spec/errors.md is misspelt in a key", () => {
  const codes = new Set<string>(Object.values(ERROR_CODES).flat());
  for (const key of Object.keys(ENGLISH)) {
    const code = /^(?:problem|why)_(.+)$/.exec(key)?.[1];
    if (code !== undefined && !["other", "manifest"].includes(code)) assert.ok(codes.has(code), key);
  }
});

test("the page's language is spoken, then the browser's, then English", () => {
  assert.equal(chooseLanguage(["de-AT", "en"]), "de");
  assert.equal(chooseLanguage(["en-GB", "de"]), "en");
  assert.equal(chooseLanguage(["fr", "pt-BR", "DE"]), "de");
  assert.equal(chooseLanguage(["", "de"]), "de");
  assert.equal(chooseLanguage(["fr"]), "en");
  assert.equal(chooseLanguage(["constructor"]), "en");
  assert.equal(chooseLanguage([]), "en");
});

test("a language is a part of its own, and English needs none", async () => {
  const asked: string[] = [];
  const fetchPart = (name: string) => {
    asked.push(name);
    return Promise.resolve(Response.json(german));
  };
  assert.equal(wordsIn(await fetchLanguage(["en"], fetchPart)).say("pause"), "Pause");
  assert.deepEqual(asked, []);
  assert.equal(wordsIn(await fetchLanguage(["de"], fetchPart)).say("pause"), "Anhalten");
  assert.deepEqual(asked, ["strings-de.json"]);
});

test("English is spoken when a language cannot be had", async () => {
  const words = wordsIn(await fetchLanguage(["de"], () => Promise.reject(new TypeError("no network"))));
  assert.equal(words.say("pause"), "Pause");
  assert.equal(words.language.tag, "en");
  const missing = wordsIn(
    await fetchLanguage(["de"], () => Promise.resolve(new Response("not found", { status: 404 }))),
  );
  assert.equal(missing.say("pause"), "Pause");
});

test("what is counted takes its plural form and the language's digits", () => {
  assert.equal(english.say("donors", { count: 1 }), "1 donor");
  assert.equal(english.say("donors", { count: 1_200 }), "1,200 donors");
  assert.equal(inGerman.say("donors", { count: 1_200 }), "1.200 Spendern");
});

test("a value may look like a placeholder and stays as it is", () => {
  assert.equal(english.say("said_paused", { name: "{name}.iso" }), "{name}.iso is paused.");
});

test("values are isolated where the text runs from right to left", () => {
  const rtl = new Words({ tag: "he", direction: "rtl", strings: ENGLISH });
  assert.equal(rtl.say("time_left", { time: "2 m" }), "\u20682 m\u2069 left");
  assert.equal(english.say("time_left", { time: "2 m" }), "2 m left");
});

test("a code without words of its own is not found", () => {
  assert.equal(english.find("problem_busy"), "it serves as many as it can");
  assert.equal(english.find("problem_nonsense"), undefined);
  assert.equal(english.find("toString"), undefined);
  assert.equal(english.find("donors"), undefined);
});
