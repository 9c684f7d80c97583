cwlVersion: v1.2
class: CommandLineTool
baseCommand: [tr, a-z, A-Z]
stdin: $(inputs.words.path)
stdout: shouted.txt
inputs:
  words: File
outputs:
  shouted: stdout
