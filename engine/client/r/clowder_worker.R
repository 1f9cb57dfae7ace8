# clowder_worker.R - make an R script a Clowder worker. Base R only.
#
#   source("clowder_worker.R")
#   clowder_worker(function(input) sum(utf8ToInt(rawToChar(input))))      input is raw bytes
#
#   clowder map -W --ship clowder_worker.R --ship script.R -- Rscript script.R ::: a b c
#
# The function returns raw bytes, or text (numbers and logicals become text). An error fails its task alone, with its
# message. From source() on, what R and the programs that it starts print goes to stderr, and they have nothing to read:
# source this file before anything prints. A forked child that comes back from the function ends there. The frames are
# those of clowder_worker.h.

# Connections for tasks and answers; after this, descriptor 0 is /dev/null and 1 is stderr. In base R only package
# parallel can close them, and what is opened next gets the lowest number that is free.
clowder_take_io <- function() {
  open <- function(name, mode) file(name, open = mode, raw = TRUE)
  io <- list(tasks = open("/dev/stdin", "rb"), answers = open("/dev/stdout", "wb"))
  tryCatch({
    getFromNamespace("closeFD", "parallel")(c(0L, 1L))
    io$held <- list(open("/dev/null", "rb"), open("/dev/stderr", "wb"))
  }, error = function(e) NULL)
  sink(stderr())
  io
}

clowder_io <- if (!interactive()) clowder_take_io()

clowder_worker <- function(fun) {
  stopifnot(is.function(fun))
  pid <- Sys.getpid()
  io <- if (is.null(clowder_io)) clowder_take_io() else clowder_io
  tasks <- io$tasks
  answers <- io$answers
  writeBin(as.raw(c(0xff, 0x43, 0x4c, 0x57, 0x46, 0x52, 0x32, 0x0a)), answers)
  flush(answers)
  repeat {
    head <- readBin(tasks, "integer", n = 2L, size = 4L, endian = "little")  # length, number
    if (length(head) < 2L) break
    input <- readBin(tasks, "raw", n = head[1L])
    if (length(input) < head[1L]) break
    code <- 0L
    out <- tryCatch(clowder_bytes(fun(input)), error = function(e) {
      code <<- 1L
      clowder_bytes(conditionMessage(e))
    })
    if (Sys.getpid() != pid) clowder_end_child()
    writeBin(c(length(out), head[2L], code), answers, size = 4L, endian = "little")
    writeBin(out, answers)
    flush(answers)
  }
  invisible(NULL)
}

# quit() would run what is due at the worker's end.
clowder_end_child <- function() {
  tryCatch(getFromNamespace("mcexit", "parallel")(0L), error = function(e) NULL)
  tools::pskill(Sys.getpid(), tools::SIGKILL)
}

# Raw bytes as they are, text as its bytes, the elements of a vector as lines.
clowder_bytes <- function(value) {
  if (is.raw(value)) return(value)
  if (is.null(value)) return(raw())
  if (!is.atomic(value)) stop("a worker's function returns raw bytes or text, not ", class(value)[1L])
  if (is.character(value)) value <- enc2utf8(value)
  charToRaw(paste(value, collapse = "\n"))
}
