// A reverse proxy that keeps what passes: node mockttp.js PORT ORIGIN
import { getLocal } from 'mockttp';

const [port, origin] = process.argv.slice(2);
const server = getLocal(); // keeps every request, its body included, unless told otherwise
await server.start(Number(port));
const answers = [];
await server.on('response', (answer) => answers.push(answer));
await server.forUnmatchedRequest().thenForwardTo(`http://${origin}`);
