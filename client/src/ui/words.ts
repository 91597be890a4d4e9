/**
 * The panel's texts in one language, with their values put in.
 *
 * What is put into a text of a language that is written from right to left is isolated, so that a host name or a size
 * cannot turn the sentence around.
 */

import { Figures } from "./format.ts";
import type { ENGLISH } from "./strings-en.ts";

/** Forms of one text by the number that it counts (CLDR); `other` is always there. */
export type PluralForms = Readonly<Partial<Record<Intl.LDMLPluralRule, string>>> & { readonly other: string };

/** Texts in English by their keys: what all other languages follow. */
export type Table = Readonly<Record<string, string | PluralForms>>;

/** What every language has: the same keys, plural forms where English has them. */
export type Strings<T extends Table = typeof ENGLISH> = {
  readonly [K in keyof T]: T[K] extends string ? string : PluralForms;
};

/** The names in the braces of a text. */
type NamesIn<Text> = Text extends `${string}{${infer Name}}${infer Rest}` ? Name | NamesIn<Rest> : never;
type NamesOf<Entry> = Entry extends { readonly other: infer Text } ? NamesIn<Text> : NamesIn<Entry>;
/** The values that a text needs; `count` is a number, all others are put in as they are. */
type Values<Entry> = [NamesOf<Entry>] extends [never]
  ? []
  : [values: { readonly [Name in NamesOf<Entry>]: Name extends "count" ? number : string }];

/** A language that the panel speaks. */
export interface Language<T extends Table = typeof ENGLISH> {
  /** BCP 47. */
  readonly tag: string;
  readonly direction: "ltr" | "rtl";
  readonly strings: Strings<T>;
}

const FIRST_STRONG_ISOLATE = "\u2068";
const POP_ISOLATE = "\u2069";

/** Speaks one language. */
export class Words<T extends Table = typeof ENGLISH> extends Figures {
  readonly language: Language<T>;
  readonly #plural: Intl.PluralRules;

  constructor(language: Language<NoInfer<T>>) {
    super(language.tag);
    this.language = language;
    this.#plural = new Intl.PluralRules(language.tag);
  }

  /** A text of the table with its values put in. */
  say<K extends keyof T>(key: K, ...[values]: Values<T[K]>): string {
    const given: Readonly<Record<string, string | number>> = values ?? {};
    const { strings, direction } = this.language;
    const entry: string | PluralForms = strings[key];
    const text =
      typeof entry === "string" ? entry : (entry[this.#plural.select(Number(given["count"]))] ?? entry.other);
    return text.replace(/\{(\w+)\}/g, (_, name: string) => {
      const value = given[name] ?? "";
      if (typeof value === "number") return this.count(value);
      return direction === "rtl" ? FIRST_STRONG_ISOLATE + value + POP_ISOLATE : value;
    });
  }

  /** The text of a key that was made from a code, as it stands; undefined when the table has none. */
  find(key: string): string | undefined {
    const strings: Readonly<Record<string, string | PluralForms>> = this.language.strings;
    const text = Object.hasOwn(strings, key) ? strings[key] : undefined;
    return typeof text === "string" ? text : undefined;
  }
}
