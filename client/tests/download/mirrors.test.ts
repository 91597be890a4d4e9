import assert from "node:assert/strict";
import { test } from "node:test";
import { judgeMirrors, withLink } from "../../src/download/mirrors.ts";

const HTTPS = { pageUrl: "https://project.example/", coordinatorUrl: "https://dio.example" };
const INTRANET = { pageUrl: "http://localhost:1/", coordinatorUrl: "http://127.0.0.1:8080" };

function mirror(url: string, priority = 100) {
  return { url, priority, location: null, pages: true };
}

/** What is used of a coordinator's answer. */
function file(mirrors: readonly ReturnType<typeof mirror>[]) {
  return { file_id: "ab", mirrors };
}

test("mirrors are asked in the order of their priority, each address once", () => {
  const judged = judgeMirrors(
    [mirror("https://b.example/f", 2), mirror("https://a.example/f", 1), mirror("https://b.example/f", 3)],
    HTTPS,
  );
  assert.deepEqual(judged, [
    { url: "https://a.example/f", problem: null },
    { url: "https://b.example/f", problem: null },
  ]);
});

test("what is no address of a mirror is left out", () => {
  const judged = judgeMirrors(
    ["ftp://a.example/f", "javascript:alert(1)", "https://user:pw@a.example/f", "/f", ""].map((url) => mirror(url)),
    HTTPS,
  );
  assert.deepEqual(judged, []);
});

const PROBLEMS: readonly (readonly [string, typeof HTTPS, string | null])[] = [
  ["https://192.168.1.1/f", HTTPS, "mirror_private_address"],
  ["https://[::1]/f", HTTPS, "mirror_private_address"],
  ["https://router.local/f", HTTPS, "mirror_private_address"],
  ["http://a.example/f", HTTPS, "mirror_insecure"],
  ["http://a.example/f", { ...HTTPS, pageUrl: "http://localhost/" }, null],
  ["http://127.0.0.1:9/f", INTRANET, null],
  ["http://127.0.0.1:9/f", { ...INTRANET, pageUrl: "https://project.example/" }, null],
  ["http://192.168.1.1/f", { ...INTRANET, pageUrl: "https://project.example/" }, "mirror_insecure"],
  ["http://192.168.1.1/f", INTRANET, null],
];

for (const [url, where, problem] of PROBLEMS) {
  test(`${url} on ${where.pageUrl} by ${where.coordinatorUrl}: ${String(problem)}`, () => {
    assert.deepEqual(judgeMirrors([mirror(url)], where), [{ url, problem }]);
  });
}

test("a coordinator cannot make a page keep a table without end", () => {
  const many = Array.from({ length: 500 }, (_, index) => mirror(`https://m${index}.example/f`));
  assert.equal(judgeMirrors(many, HTTPS).length, 64);
});

test("a mirror that the coordinator found closed to pages is named and not asked", () => {
  const judged = judgeMirrors([{ ...mirror("https://m.example/a"), pages: false }], HTTPS);
  assert.deepEqual(judged, [{ url: "https://m.example/a", problem: "mirror_no_cors" }]);
});

test("the link is asked among the mirrors, by the address that the coordinator lists", () => {
  const target = { href: "https://A.example/f#top" };
  assert.deepEqual(withLink(file([mirror("https://b.example/f"), mirror("https://a.example/f")]), target, HTTPS), {
    mirrors: [
      { url: "https://b.example/f", problem: null },
      { url: "https://a.example/f", problem: null },
    ],
    link: "https://a.example/f",
  });
});

test("a link that the coordinator does not list is asked all the same, unless pages must not", () => {
  assert.deepEqual(withLink(file([mirror("https://b.example/f")]), { href: "https://a.example/f" }, HTTPS), {
    mirrors: [
      { url: "https://a.example/f", problem: null },
      { url: "https://b.example/f", problem: null },
    ],
    link: "https://a.example/f",
  });
  assert.deepEqual(withLink(file([]), { href: "https://192.168.1.1/f" }, HTTPS).mirrors, [
    { url: "https://192.168.1.1/f", problem: "mirror_private_address" },
  ]);
  assert.deepEqual(withLink(file([]), { href: "ftp://a.example/f" }, HTTPS), { mirrors: [], link: null });
});

test("a coordinator cannot keep a page from asking the link by saying that it is closed to pages", () => {
  const listed = [{ ...mirror("https://a.example/f"), pages: false }];
  assert.deepEqual(withLink(file(listed), { href: "https://a.example/f" }, HTTPS).mirrors, [
    { url: "https://a.example/f", problem: null },
  ]);
});

test("a link to the coordinator's own mirror is that mirror, though it is listed with the file's id; another id is another file", () => {
  // By the address that is listed, which is the one that the coordinator understands when it hears of a failure.
  for (const [id, link, urls] of [
    ["ab", "https://dio.example/files/f?id=ab", ["https://dio.example/files/f?id=ab", "https://b.example/f"]],
    [
      "cd",
      "https://dio.example/files/f",
      ["https://dio.example/files/f", "https://b.example/f", "https://dio.example/files/f?id=cd"],
    ],
  ] as const) {
    const listed = [
      mirror("https://b.example/f", 2),
      mirror(`https://dio.example/files/f?id=${id}`, id === "ab" ? 1 : 3),
    ];
    const judged = withLink(file(listed), { href: "https://dio.example/files/f" }, HTTPS);
    assert.deepEqual([judged.mirrors.map(({ url }) => url), judged.link], [urls, link]);
  }
});

test("who asks for a file by its id asks for no link", () => {
  assert.equal(withLink(file([mirror("https://a.example/f")]), { fileId: "00" }, HTTPS).link, null);
});
