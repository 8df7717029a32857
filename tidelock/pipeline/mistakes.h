// What is wrong with a pipeline file, all of it, so that it is mended in one go.
#pragma once

#include <string>
#include <vector>

#include "tidelock/base/error.h"

namespace tidelock::pipeline {

struct Mistake {
  int line = 0;       // From 1.
  std::string key;    // "job.load.bars.chunk": where in the file.
  std::string what;   // What is wrong.
  std::string right;  // What would be right.
};

// Used while one file is read.
class Mistakes {
 public:
  explicit Mistakes(std::string file) : file_(std::move(file)) {}

  void add(int line, std::string key, std::string what, std::string right);
  bool none() const { return all_.empty(); }
  std::size_t count() const { return all_.size(); }
  // file:line: key: what is wrong: what would be right. In the order of the file, each once.
  std::vector<std::string> lines() const;
  // Error: InvalidPipeline when there are any.
  void throw_if_any() const;

 private:
  std::string file_;
  std::vector<Mistake> all_;
};

// Code::invalid_argument, with every mistake as a line of its own.
class InvalidPipeline : public Error {
 public:
  InvalidPipeline(const std::string& file, std::vector<std::string> lines);
  const std::vector<std::string>& lines() const { return lines_; }

 private:
  std::vector<std::string> lines_;
};

}  // namespace tidelock::pipeline
