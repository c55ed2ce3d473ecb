package wire

//go:generate go run -C ../../tools ./protogen -import parley/realnet/wire -dir ../realnet/wire parley.proto
