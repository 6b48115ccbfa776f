"use strict";
// Start, build and flags of the gateway.

const content = document.getElementById("content");

function table(title, values) {
  const made = document.createElement("table");
  made.createCaption().textContent = title;
  for (const [name, value] of Object.entries(values)) {
    const row = made.insertRow();
    const head = document.createElement("th");
    head.scope = "row";
    head.textContent = name;
    row.append(head);
    row.insertCell().textContent = value;
  }
  return made;
}

fetch("api/v1/status").then((answer) => answer.json()).then(({ data }) => {
  document.getElementById("metrics").href = data.flags["web.telemetry-path"].slice(1);
  content.append(table("Process", { started: data.start_time }),
    table("Build", data.build_information), table("Flags", data.flags));
}).catch((error) => {
  document.getElementById("message").textContent = `The gateway does not answer: ${error.message}`;
});
