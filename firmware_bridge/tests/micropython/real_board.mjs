// A board with the real MicroPython (compiled to WebAssembly), driven line by line: one JSON request in, one answer out.
//   node real_board.mjs <folder with node_modules> <folder of the modules> <script of the board>
import fs from "node:fs";
import path from "node:path";
import readline from "node:readline";
import { pathToFileURL } from "node:url";

const [packages, sources, script] = process.argv.slice(2);
const entry = path.join(packages, "node_modules/@micropython/micropython-webassembly-pyscript/micropython.mjs");
const { loadMicroPython } = await import(pathToFileURL(entry));
const python = await loadMicroPython({
  heapsize: 256 * 1024,
  linebuffer: true,
  stdout: (line) => process.stderr.write(line + "\n"),
});
python.FS.mkdir("/modules");
for (const name of fs.readdirSync(sources).filter((name) => name.endsWith(".py"))) {
  python.FS.writeFile("/modules/" + name, fs.readFileSync(path.join(sources, name)));
}
python.FS.writeFile("/modules/vector_cases.py", fs.readFileSync(path.join(path.dirname(script), "vector_cases.py")));
python.runPython("import sys; sys.path.append('/modules')");
python.runPython(fs.readFileSync(script, "utf8"));
const answer = python.globals.get("answer");

for await (const line of readline.createInterface({ input: process.stdin })) {
  let reply;
  try {
    reply = answer(line);
  } catch (error) {
    reply = JSON.stringify({ error: String(error.message) });
  }
  process.stdout.write(reply + "\n");
}
