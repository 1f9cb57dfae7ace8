# clowder_worker.R - make an R script a Clowder worker. Base R only.
#
#   source("clowder_worker.R")
#   clowder_worker(function(input) sum(utf8ToInt(rawToChar(input))))      input is raw bytes
#
#   clowder map -W -- Rscript script.R ::: a b c
#
# The function returns raw bytes, or text (numbers and logicals become text). An error fails its task alone, with its
# message. What R prints goes to stderr, and never into the answers; a program that it starts with system() has to keep
# its own stdout to itself. The frames are those of clowder_worker.h.

clowder_worker <- function(fun) {
  stopifnot(is.function(fun))
  tasks <- file("stdin", open = "rb")
  answers <- file("/dev/stdout", open = "wb")
  sink(stderr())
  on.exit({
    sink()
    close(tasks)
    close(answers)
  })
  repeat {
    head <- readBin(tasks, "integer", n = 2L, size = 4L, endian = "little")
    if (length(head) < 2L) break
    input <- readBin(tasks, "raw", n = head[1L])
    if (length(input) < head[1L]) break
    code <- 0L
    out <- tryCatch(clowder_bytes(fun(input)), error = function(e) {
      code <<- 1L
      clowder_bytes(conditionMessage(e))
    })
    writeBin(c(length(out), code), answers, size = 4L, endian = "little")
    writeBin(out, answers)
    flush(answers)
  }
  invisible(NULL)
}

# Raw bytes as they are, text as its bytes, the elements of a vector as lines.
clowder_bytes <- function(value) {
  if (is.raw(value)) return(value)
  if (is.null(value)) return(raw())
  if (!is.atomic(value)) stop("a worker's function returns raw bytes or text, not ", class(value)[1L])
  if (is.character(value)) value <- enc2utf8(value)
  charToRaw(paste(value, collapse = "\n"))
}
