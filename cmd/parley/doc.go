// Command parley is the chat client: line mode for people, one command at a time for scripts, and the
// demo, which shows a whole cluster losing its leader.
//
// Flags, words and exit codes live here. What a client decides (which server to ask, what to repeat,
// what counts as answered) is the client machine of core/session, carried by package realnet. tree.go
// lists the commands; problem.go turns every failure into a sentence, a hint and an exit code; text.go
// is what every name and body passes before a terminal sees it.
package main
